"""The command line: a file for each noun. Results go to stdout, talk and progress to stderr."""

import sys


def main() -> int:
    """Run the command that was typed; gives the exit code."""
    if sys.argv[1:] == ["--version"]:
        from aliquot import __version__

        sys.stdout.write(f"aliquot {__version__}\n")
        return 0
    from aliquot.cli.app import run_command

    return run_command(sys.argv[1:])
