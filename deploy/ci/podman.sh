#!/bin/sh
# Make podman run containers as root where the limits may not be raised and no systemd is present: inside a
# virtual machine of a CI service, or inside another container. It writes one drop-in file and nothing else.
# Needs the Debian packages podman and runc. Safe to run again.
set -eu

folder="${CONTAINERS_CONF_FOLDER:-/etc/containers/containers.conf.d}"
mkdir -p "$folder"
# podman 4 reads containers.conf first and then the drop-ins, in order of their names.
cat > "$folder/50-aliquot-ci.conf" <<'CONF'
[containers]
# Raising a limit above the caller's own is refused here, so the limits are named, and low.
default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
podman info --format 'podman {{.Version.Version}}, {{.Host.OCIRuntime.Name}}, cgroups {{.Host.CgroupsVersion}}, {{.Host.CgroupManager}}'
