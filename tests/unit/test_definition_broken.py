"""A table of broken files: what is said about each, word for word, with line and column."""

# ruff: noqa: E501  # one mistake a line, one answer a line: a table is read along its lines

from pathlib import Path

import pytest

from aliquot.definitions import read_lab
from aliquot.model.errors import Invalid

P, T, R, L = "pipelines/p.yaml", "types/t.yaml", "records/r.yaml", "aliquot.yaml"

PIPELINE = """\
pipeline: p
inputs: {d: {dataset: d}}
steps:
  a:
    inputs: {r: {from: d, glob: "/{sample}_*.csv"}}
    command: [cat, $R]
"""

WHOLE = {
    L: "lab: l\n",
    "types/charges.yaml": 'type: charges\nrecognise: {name: "*.csv"}\nformat: table\ntable: {fields: [{name: id}]}\n',
    "scripts/run.py": "",
    "scripts/other.py": "",
}


def edited(old: str, new: str) -> str:
    """Give the pipeline with one part of it replaced."""
    assert old in PIPELINE
    return PIPELINE.replace(old, new)


RULED = (
    'type: t\nrecognise: {name: "*"}\nformat: table\n'
    "table: {fields: [{name: paid, type: number}, {name: on, type: date}, {name: note}]}\n"
)

# fmt: off
BROKEN = [
    ("unknown step", P, edited("from: d","from: dd"), [
        "pipelines/p.yaml:5:24: steps.a.inputs.r.from: there is no input or step 'dd'; did you mean 'd'?",
    ]),
    ("step from itself", P, edited("from: d","from: a"), [
        'pipelines/p.yaml:5:24: steps.a.inputs.r.from: a step cannot take files from itself',
    ]),
    ("input and step of one name", P, PIPELINE.replace("d: {dataset","a: {dataset").replace("from: d","from: a").replace("  a:\n","  b:\n    inputs: {x: {from: a}}\n    command: ls\n  a:\n"), [
        "pipelines/p.yaml:5:24: steps.b.inputs.x.from: 'a' is both an input of the pipeline and a step; rename one of them",
        'pipelines/p.yaml:8:24: steps.a.inputs.r.from: a step cannot take files from itself',
    ]),
    ("circle", P, PIPELINE.replace("from: d","from: c")+"  b:\n    inputs: {r: {from: a}}\n    command: ls\n  c:\n    inputs: {r: {from: b}}\n    command: ls\n", [
        'pipelines/p.yaml:5:24: steps.a.inputs.r.from: steps wait for each other in a circle: a <- c <- b <- a',
    ]),
    ("unknown parameter", P, "parameters: {quality: {type: integer}}\n"+PIPELINE+"    parameters: [qualty]\n", [
        "pipelines/p.yaml:8:18: steps.a.parameters[0]: there is no parameter 'qualty'; did you mean 'quality'?",
    ]),
    ("no parameters", P, PIPELINE+"    parameters: [qualty]\n", [
        "pipelines/p.yaml:7:18: steps.a.parameters[0]: there is no parameter 'qualty'; there is none",
    ]),
    ("empty command", P, edited("[cat, $R]","[]"), [
        'pipelines/p.yaml:6:14: steps.a.command: the command is empty',
    ]),
    ("blank command", P, edited("[cat, $R]",'" "'), [
        'pipelines/p.yaml:6:14: steps.a.command: the command is empty',
    ]),
    ("missing command", P, edited("    command: [cat, $R]\n",''), [
        "pipelines/p.yaml:4:3: steps.a: 'command' is missing; a step has a command, or a Python function under 'python', or 'ensure' that checks its input",
    ]),
    ("slip in a variable", P, edited("{r: {","{reads: {").replace("$R]","$READ]"), [
        'pipelines/p.yaml:6:20: steps.a.command[1]: there is no $READ for this command; did you mean $READS?',
    ]),
    ("glob", P, edited("/{sample}_*.csv","{sample}_*.csv"), [
        "pipelines/p.yaml:5:33: steps.a.inputs.r.glob: a glob begins with '/': write '/{sample}_*.csv' (at character 1)",
    ]),
    ("glob brace", P, edited("/{sample}_*.csv","/{sample_*.csv"), [
        "pipelines/p.yaml:5:33: steps.a.inputs.r.glob: '{' is not closed (at character 2)",
    ]),
    ("group_by unknown", P, edited('.csv"','.csv", group_by: $smple'), [
        "pipelines/p.yaml:5:62: steps.a.inputs.r.group_by: the glob '/{sample}_*.csv' captures no 'smple'; did you mean 'sample'?",
    ]),
    ("group_by number", P, edited('.csv"','.csv", group_by: $1'), [
        "pipelines/p.yaml:5:62: steps.a.inputs.r.group_by: the glob '/{sample}_*.csv' captures no '1'; there is 'sample'",
    ]),
    ("group_by nothing", P, edited('.csv"','.csv", group_by: sample'), [
        "pipelines/p.yaml:5:62: steps.a.inputs.r.group_by: 'sample' names no capture; write $sample",
    ]),
    ("join of what is nowhere", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','\n      join:\n        - r: {from: nowhere, glob: "x", join_on: $x}\n        - q: {from: d, glob: "/{x}", join_on: $x}\n'), [
        "pipelines/p.yaml:7:21: steps.a.inputs.join[0].r.from: there is no input or step 'nowhere'; there is 'd'",
        "pipelines/p.yaml:7:36: steps.a.inputs.join[0].r.glob: a glob begins with '/': write '/x' (at character 1)",
    ]),
    ("join_on without join", P, edited('.csv"','.csv", join_on: $sample'), [
        "pipelines/p.yaml:5:52: steps.a.inputs.r.join_on: join_on has a meaning in a join only",
    ]),
    ("outer_join without join", P, edited('.csv"','.csv", outer_join: true'), [
        "pipelines/p.yaml:5:52: steps.a.inputs.r.outer_join: outer_join has a meaning in a join only",
    ]),
    ("join alone", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: [{r: {from: d, glob: "/{s}", join_on: $s}}]}'), [
        "pipelines/p.yaml:5:14: steps.a.inputs.join: a join has two inputs or more; put the partner into it, or write the input without join",
    ]),
    ("join without join_on", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: [{r: {from: d, glob: "/{s}", join_on: $s}}, {q: {from: d}}]}'), [
        "pipelines/p.yaml:5:65: steps.a.inputs.join[1].q: 'join_on' is missing; in a join each input says by which captures it is joined",
    ]),
    ("join_on of a capture that is not there", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: [{r: {from: d, glob: "/{s}", join_on: $t}}, {q: {from: d, glob: "/(*)", join_on: $2}}]}'), [
        "pipelines/p.yaml:5:58: steps.a.inputs.join[0].r.join_on: the glob '/{s}' captures no 't'; there is 's'",
        "pipelines/p.yaml:5:101: steps.a.inputs.join[1].q.join_on: the glob '/(*)' captures no '2'; there is '1'",
    ]),
    ("empty join", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: []}'), [
        "pipelines/p.yaml:5:20: steps.a.inputs.join: is empty; at least one is needed",
    ]),
    ("join of null", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: }'), [
        "pipelines/p.yaml:5:19: steps.a.inputs.join: expected a list, but found nothing; give a value, or remove the key",
    ]),
    ("join as a mapping", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: {r: {from: d}, q: {from: d}}}'), [
        "pipelines/p.yaml:5:14: steps.a.inputs.join: 'join' takes a list; write '-' before each of its inputs",
    ]),
    ("two inputs in one item", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{cross: [{r: {from: d}, q: {from: d}}]}'), [
        "pipelines/p.yaml:5:22: steps.a.inputs.cross[0]: each item of a cross is one input, but this one holds 2 inputs; write '-' before each input",
    ]),
    ("an empty item", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{cross: [{r: {from: d}}, {}]}'), [
        "pipelines/p.yaml:5:38: steps.a.inputs.cross[1]: each item of a cross is one input, but this one holds nothing; write '-' before each input",
    ]),
    ("an item that is no mapping", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{cross: [r]}'), [
        "pipelines/p.yaml:5:22: steps.a.inputs.cross[0]: expected a mapping, but found the text 'r'",
    ]),
    ("one name twice", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{union: [{r: {from: d}}, {cross: [{r: {from: d}}]}], r: {from: d}}'), [
        "pipelines/p.yaml:5:48: steps.a.inputs.union[1].cross[0].r: this step has an input 'r' already; each needs a name of its own, also where one is absent",
        "pipelines/p.yaml:5:66: steps.a.inputs.r: this step has an input 'r' already; each needs a name of its own, also where one is absent",
    ]),
    ("group without group_by", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{group: [{r: {from: d, glob: "/{s}", group_by: $s}}, {q: {from: d}}]}'), [
        "pipelines/p.yaml:5:67: steps.a.inputs.group[1].q: 'group_by' is missing; in a group each input says by which captures it is grouped",
    ]),
    ("unknown key deep down", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{union: [{cross: [{r: {from: d, blob: x}}]}]}'), [
        "pipelines/p.yaml:5:45: steps.a.inputs.union[0].cross[0].r.blob: unknown key; did you mean 'glob'?",
    ]),
    ("wrong kind deep down", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{union: [{cross: [{r: {from: d, outer_join: 1}}, {union: 5}]}]}'), [
        "pipelines/p.yaml:5:57: steps.a.inputs.union[0].cross[0].r.outer_join: expected true or false, but found the number 1",
        "pipelines/p.yaml:5:70: steps.a.inputs.union[0].cross[1].union: expected a list, but found the number 5",
    ]),
    ("cross that is joined twice", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: [{cross: [{r: {from: d, glob: "/{a}", join_on: $a}}, {q: {from: d, glob: "/{b}", join_on: $b}}]}, {t: {from: d, glob: "/{c}", join_on: $c}}]}'), [
        "pipelines/p.yaml:5:22: steps.a.inputs.join[0].cross: more than one part of this cross has a join_on; give it to one, or write them all into the join",
    ]),
    ("cross that is not joined", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: [{cross: [{r: {from: d}}, {q: {from: d}}]}, {t: {from: d, glob: "/{c}", join_on: $c}}]}'), [
        "pipelines/p.yaml:5:22: steps.a.inputs.join[0].cross: nothing in this cross has a join_on, by which it could be joined",
    ]),
    ("union that is joined in part", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: [{union: [{r: {from: d, glob: "/{a}", join_on: $a}}, {q: {from: d}}]}, {t: {from: d, glob: "/{c}", join_on: $c}}]}'), [
        "pipelines/p.yaml:5:22: steps.a.inputs.join[0].union: some datums of this union would have no join_on; give it to every input of which one may be alone",
    ]),
    ("group joined by something else", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: [{r: {from: d, glob: "/{a}_{b}", group_by: $a, join_on: $b}}, {t: {from: d, glob: "/{c}", join_on: $c}}]}'), [
        "pipelines/p.yaml:5:22: steps.a.inputs.join[0].r: what is grouped can be joined by what it is grouped by: let join_on be the same as group_by",
    ]),
    ("outer join without a value to group by", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{group: [{join: [{r: {from: d, glob: "/{a}_{b}", join_on: $a, group_by: $b}}, {q: {from: d, glob: "/{a}", join_on: $a, outer_join: true}}]}]}'), [
        "pipelines/p.yaml:5:23: steps.a.inputs.group[0].join: some datums of this join would have no group_by; give it to every input of which one may be alone",
    ]),
    ("captures that only one side joins by", P, edited('{r: {from: d, glob: "/{sample}_*.csv"}}','{join: [{r: {from: d, glob: "/{s}_{n}", join_on: $s}}, {q: {from: d, glob: "/{s}_{n}", join_on: $s}}]}'), [
        "pipelines/p.yaml:5:88: steps.a.inputs.join[1].q.glob: 'n' captured by the input 'q' and 'n' captured by the input 'r' would both be $N; choose another name for one",
    ]),
    ("collision input parameter", P, "parameters: {R: {type: string}}\n"+PIPELINE, [
        "pipelines/p.yaml:1:14: parameters.R: the parameter 'R' and the input 'r' would both be $R; choose another name for one",
    ]),
    ("collision capture", P, edited("{sample}","{r}"), [
        "pipelines/p.yaml:5:33: steps.a.inputs.r.glob: 'r' captured by the input 'r' and the input 'r' would both be $R; choose another name for one",
    ]),
    ("two captures", P, edited('csv"}}','csv"}, s: {from: d, glob: "/{sample}.x"}}'), [
        "pipelines/p.yaml:5:72: steps.a.inputs.s.glob: 'sample' captured by the input 's' and 'sample' captured by the input 'r' would both be $SAMPLE; choose another name for one",
    ]),
    ("reserved", P, edited('{r: {','{out: {').replace("$R","$OUT"), [
        "pipelines/p.yaml:5:14: steps.a.inputs.out: the input 'out' would be $OUT, which every command has already; choose another name",
    ]),
    ("system", P, "parameters: {ld_preload: {type: string}}\n"+PIPELINE, [
        "pipelines/p.yaml:1:14: parameters.ld_preload: the parameter 'ld_preload' would be $LD_PRELOAD, which has a meaning for the system; choose another name",
    ]),
    ("dash", P, edited('{r: {','{my-reads: {').replace("$R","x"), [
        "pipelines/p.yaml:5:14: steps.a.inputs.my-reads: 'my-reads' cannot be a variable of the command: use a letter, then letters, digits and '_'",
    ]),
    ("export collides", P, PIPELINE+"    exports: {total: \"a.b\"}\n  b:\n    inputs: {total: {from: a}}\n    command: ls\n", [
        "pipelines/p.yaml:7:15: steps.a.exports.total: the export 'total' of the step 'a' and the input 'total' would both be $TOTAL; choose another name for one",
    ]),
    ("export reserved", P, PIPELINE+'    exports: {path: "a.b"}\n', [
        "pipelines/p.yaml:7:15: steps.a.exports.path: the export 'path' would be $PATH, which every command has already; choose another name",
    ]),
    ("export expression", P, PIPELINE+'    exports: {n: "a..b"}\n', [
        "pipelines/p.yaml:7:18: steps.a.exports.n: 'a..b' is not a JMESPath expression (at character 3)",
    ]),
    ("bundle missing", P, PIPELINE+"    bundle: [scripts/run.pi]\n", [
        "pipelines/p.yaml:7:14: steps.a.bundle[0]: there is no file 'scripts/run.pi' in the lab's folder; did you mean 'scripts/run.py'?",
    ]),
    ("bundle above", P, PIPELINE+"    bundle: [../x.py]\n", [
        "pipelines/p.yaml:7:14: steps.a.bundle[0]: '../x.py' is not a path below the lab's folder; write it without '/' in front and without '..'",
    ]),
    ("bundle absolute", P, PIPELINE+"    bundle: [/etc/passwd]\n", [
        "pipelines/p.yaml:7:14: steps.a.bundle[0]: '/etc/passwd' is not a path below the lab's folder; write it without '/' in front and without '..'",
    ]),
    ("bundle link", P, PIPELINE+"    bundle: [scripts/link]\n", [
        "pipelines/p.yaml:7:14: steps.a.bundle[0]: 'scripts/link' is a link that leads out of the lab's folder; copy the file instead",
    ]),
    ("bundle not named", P, PIPELINE.replace("[cat, $R]","[python3, $BUNDLE/scripts/run.py]")+"    bundle: [scripts/other.py]\n", [
        "pipelines/p.yaml:6:24: steps.a.command[1]: 'scripts/run.py' is not in this step's 'bundle'; did you mean 'scripts/other.py'?",
    ]),
    ("bundle of nothing", P, PIPELINE.replace("[cat, $R]",'python3 "$BUNDLE"/x "${BUNDLE}/scripts/run.py"'), [
        "pipelines/p.yaml:6:14: steps.a.command: 'scripts/run.py' is not in this step's 'bundle'; this step bundles nothing",
    ]),
    ("output unknown", P, PIPELINE+"outputs: {o: {from: b}}\n", [
        "pipelines/p.yaml:7:21: outputs.o.from: there is no step 'b'; there is 'a'",
    ]),
    ("output of an input", P, PIPELINE+"outputs: {o: {from: d}}\n", [
        "pipelines/p.yaml:7:21: outputs.o.from: 'd' is an input of the pipeline, not a step",
    ]),
    ("two outputs to one dataset", P, PIPELINE+"outputs:\n  o: {from: a, publish: x}\n  q: {from: a, publish: x}\n", [
        "pipelines/p.yaml:9:25: outputs.q.publish: the output 'o' publishes to 'x' already; each dataset takes one output",
    ]),
    ("own trigger", P, PIPELINE+"outputs: {o: {from: a, publish: d}}\ntrigger: {new_version: [d]}\n", [
        "pipelines/p.yaml:8:25: trigger.new_version[0]: a new version of 'd' would start runs without end: it publishes that itself",
    ]),
    ("trigger of no input", P, PIPELINE+"trigger: {new_version: [e]}\n", [
        "pipelines/p.yaml:7:25: trigger.new_version[0]: no input takes the dataset 'e'; there is 'd'",
    ]),
    ("trigger by input name", P, PIPELINE.replace("dataset: d","dataset: deep")+"trigger: {new_version: [d]}\n", [
        "pipelines/p.yaml:7:25: trigger.new_version[0]: no input takes the dataset 'd'; the input 'd' is bound to 'deep': write that",
    ]),
    ("trigger empty", P, PIPELINE+"trigger: {}\n", [
        "pipelines/p.yaml:7:10: trigger: the trigger says nothing; give 'new_version' or 'schedule', or write manual",
    ]),
    ("trigger word", P, PIPELINE+"trigger: automatic\n", [
        "pipelines/p.yaml:7:10: trigger: write manual, or a mapping with 'new_version' or 'schedule'",
    ]),
    ("schedule fields", P, PIPELINE+'trigger: {schedule: "0 2 * *"}\n', [
        "pipelines/p.yaml:7:21: trigger.schedule: '0 2 * *' is not a schedule; write minute, hour, day, month and weekday, like '0 2 * * *' for two at night",
    ]),
    ("schedule minute", P, PIPELINE+'trigger: {schedule: "61 2 * * *"}\n', [
        "pipelines/p.yaml:7:21: trigger.schedule: '61 2 * * *' is not a schedule (bad minute); write minute, hour, day, month and weekday, like '0 2 * * *' for two at night",
    ]),
    ("schedule never", P, PIPELINE+'trigger: {schedule: "0 0 31 2 *"}\n', [
        "pipelines/p.yaml:7:21: trigger.schedule: '0 0 31 2 *' is not a schedule (bad day-of-month); write minute, hour, day, month and weekday, like '0 2 * * *' for two at night",
    ]),
    ("table from", P, PIPELINE+'tables: {t: {from: aa}}\n', [
        "pipelines/p.yaml:7:20: tables.t.from: there is no step 'aa'; did you mean 'a'?",
    ]),
    ("table name", P, PIPELINE+'tables: {my-table: {from: a}}\n', [
        "pipelines/p.yaml:7:10: tables.my-table: a table's name has letters, digits and '_', 63 at most, and begins with no digit",
    ]),
    ("table key", P, PIPELINE+'tables: {t: {from: a, mode: upsert}}\n', [
        "pipelines/p.yaml:7:23: tables.t.mode: 'mode: upsert' needs 'key', the columns by which rows are replaced",
    ]),
    ("table key column", P, PIPELINE+'tables: {t: {from: a, key: [sampel], schema: {fields: [{name: sample}]}}}\n', [
        "pipelines/p.yaml:7:29: tables.t.key[0]: there is no column 'sampel'; did you mean 'sample'?",
    ]),
    ("table type", P, PIPELINE+'tables: {t: {from: a, type: chrages}}\n', [
        "pipelines/p.yaml:7:29: tables.t.type: there is no file type 'chrages'; did you mean 'charges'?",
    ]),
    ("table type and schema", P, PIPELINE+'tables: {t: {from: a, type: charges, schema: {fields: [{name: x}]}}}\n', [
        "pipelines/p.yaml:7:29: tables.t.type: both 'type' and 'schema' give the columns; remove one of them",
    ]),
    ("table type key", P, PIPELINE+'tables: {t: {from: a, type: charges, key: [idd]}}\n', [
        "pipelines/p.yaml:7:44: tables.t.key[0]: there is no column 'idd'; did you mean 'id'?",
    ]),
    ("table glob", P, PIPELINE+'tables: {t: {from: a, glob: "*.csv"}}\n', [
        "pipelines/p.yaml:7:29: tables.t.glob: a glob begins with '/': write '/*.csv' (at character 1)",
    ]),
    ("parameter type", P, "parameters: {n: {type: intger}}\n"+PIPELINE, [
        "pipelines/p.yaml:1:24: parameters.n.type: 'intger' is not a JSON Schema type; did you mean 'integer'?",
    ]),
    ("parameter keyword", P, "parameters: {n: {type: integer, minumum: 5}}\n"+PIPELINE, [
        "pipelines/p.yaml:1:33: parameters.n.minumum: JSON Schema has no keyword 'minumum'; did you mean 'minimum'?",
    ]),
    ("parameter bound", P, 'parameters: {n: {type: integer, minimum: "5"}}\n'+PIPELINE, [
        'pipelines/p.yaml:1:42: parameters.n.minimum: not valid JSON Schema: "5" is not of type "number"',
    ]),
    ("parameter default", P, 'parameters: {n: {type: integer, minimum: 5, default: 3}}\n'+PIPELINE, [
        'pipelines/p.yaml:1:54: parameters.n.default: the default does not fit its own schema: 3 is less than the minimum of 5',
    ]),
    ("parameter pattern", P, 'parameters: {n: {type: string, pattern: "("}}\n'+PIPELINE, [
        'pipelines/p.yaml:1:41: parameters.n.pattern: "(" is not a regular expression',
    ]),
    ("parameter reference", P, 'parameters: {n: {$ref: "https://example.org/x"}}\n'+PIPELINE, [
        "pipelines/p.yaml:1:17: parameters.n: nothing is fetched from outside; write out what 'https://example.org/x' says",
    ]),
    ("secret in a command", P, edited("[cat, $R]",'echo ${secret:local/token}'), [
        'pipelines/p.yaml:6:14: steps.a.command: ${secret:local/token} cannot stand in a command; values reach it through its environment, as parameters',
    ]),
    ("misplaced key", P, PIPELINE+"    timeout: 1h\n", [
        "pipelines/p.yaml:7:5: steps.a.timeout: unknown key; there is 'title', 'image', 'inputs', 'when', 'command', 'python', 'parameters', 'bundle', 'resources', 'retry', 'failures', 'exports' and 3 more",
    ]),
    ("unknown pool", P, PIPELINE+"    pool: gpus\n", [
        "pipelines/p.yaml:7:11: steps.a.pool: aliquot.yaml has no pool 'gpus'; there is none",
    ]),
    ("unknown zone", P, PIPELINE+"trigger: {schedule: {cron: 0 2 * * *, zone: Europe/Berlin_}}\n", [
        "pipelines/p.yaml:7:45: trigger.schedule.zone: there is no time zone 'Europe/Berlin_'; did you mean 'Europe/Berlin'?",
    ]),
    ("limit of runs", P, PIPELINE+"runs: {at_most: 0, then: oldest}\n", [
        "pipelines/p.yaml:7:17: runs.at_most: must be at least 1, but it is 0",
        "pipelines/p.yaml:7:26: runs.then: expected 'queue' or 'newest', but found the text 'oldest'",
    ]),
    ("misspelled keys", P, PIPELINE+"    resource: {cpus: 2}\ntitel: x\n", [
        "pipelines/p.yaml:7:5: steps.a.resource: unknown key; did you mean 'resources'?",
        "pipelines/p.yaml:8:1: titel: unknown key; did you mean 'title'?",
    ]),
    ("python's name for a key", P, edited("{from: d","{from_: d"), [
        "pipelines/p.yaml:5:14: steps.a.inputs.r: 'from' is missing",
        "pipelines/p.yaml:5:18: steps.a.inputs.r.from_: unknown key; did you mean 'from'?",
    ]),
    ("wrong amounts", P, PIPELINE+"    resources: {memory: 4 gigs, time: soon, cpus: 0}\n", [
        "pipelines/p.yaml:7:25: steps.a.resources.memory: '4 gigs' is not an amount of bytes; write a number and one of B, KB, MB, GB, TB, KiB, MiB, GiB, TiB, like 512MiB or 4GiB",
        "pipelines/p.yaml:7:39: steps.a.resources.time: 'soon' is not a span of time; write a number and one of ms, s, m, h, d, like 90s or 1h",
        'pipelines/p.yaml:7:51: steps.a.resources.cpus: must be greater than 0, but it is 0',
    ]),
    ("share", P, PIPELINE+"    failures: {allow: 5.5}\n", [
        'pipelines/p.yaml:7:23: steps.a.failures.allow: expected a text or a whole number, but found the number 5.5',
    ]),
    ("share text", P, PIPELINE+"    failures: {allow: some}\n", [
        "pipelines/p.yaml:7:16: steps.a.failures.allow: 'allow' takes a number of datums or a share, like 3 or 5%",
    ]),
    ("failures", P, PIPELINE+"    failures: ignore\n", [
        "pipelines/p.yaml:7:15: steps.a.failures: expected 'park' or 'stop' or a mapping, but found the text 'ignore'",
    ]),
    ("retry", P, PIPELINE+"    retry: {on: [oom, disk]}\n", [
        "pipelines/p.yaml:7:23: steps.a.retry.on[1]: expected 'user', 'oom', 'timeout', 'lost', 'refused' or 'ours', but found the text 'disk'",
    ]),
    ("retry cause", P, PIPELINE+"    retry: {on: {disk: 3}}\n", [
        "pipelines/p.yaml:7:18: steps.a.retry.on.disk: expected 'user', 'oom', 'timeout', 'lost', 'refused' or 'ours', but found the text 'disk'",
    ]),
    ("retry number", P, PIPELINE+"    retry: {on: {lost: 500}}\n", [
        "pipelines/p.yaml:7:18: steps.a.retry.on.lost: 'lost' takes a number of attempts from 1 to 100",
    ]),
    ("retry word", P, PIPELINE+"    retry: {on: {lost: often}}\n", [
        "pipelines/p.yaml:7:24: steps.a.retry.on.lost: expected a whole number or a mapping, but found the text 'often'",
    ]),
    ("command number", P, edited("[cat, $R]","[head, -n, 5]"), [
        'pipelines/p.yaml:6:25: steps.a.command[2]: expected a text, but found the number 5; put it into quotes',
    ]),
    ("bool word", P, PIPELINE+"    network: yes\n", [
        "pipelines/p.yaml:7:14: steps.a.network: expected true or false, but found the text 'yes'; write true",
    ]),
    ("null", P, PIPELINE+"    bundle:\n", [
        'pipelines/p.yaml:7:5: steps.a.bundle: expected a list, but found nothing; give a value, or remove the key',
    ]),
    ("name", P, edited("pipeline: p","pipeline: My Pipeline"), [
        "pipelines/p.yaml:1:11: pipeline: 'My Pipeline' cannot name a definition: use lower-case letters, digits, '-', '_' and '.', starting with a letter or digit, 100 at most.",
    ]),
    ("not a mapping", P, "- a\n- b\n", [
        'pipelines/p.yaml:1:1: expected a mapping, but found a list',
    ]),
    ("several at once", P, PIPELINE.replace("from: d","from: dd").replace("$R]","5]")+"    retri: {}\noutputs: {o: {from: b}}\n", [
        "pipelines/p.yaml:5:24: steps.a.inputs.r.from: there is no input or step 'dd'; did you mean 'd'?",
        'pipelines/p.yaml:6:20: steps.a.command[1]: expected a text, but found the number 5; put it into quotes',
        "pipelines/p.yaml:7:5: steps.a.retri: unknown key; did you mean 'retry'?",
        "pipelines/p.yaml:8:21: outputs.o.from: there is no step 'b'; there is 'a'",
    ]),
    ("several with references", P, PIPELINE.replace("from: d","from: dd")+"    retri: {}\n    resources: {cpus: x}\noutputs: {o: {from: b}}\n", [
        "pipelines/p.yaml:5:24: steps.a.inputs.r.from: there is no input or step 'dd'; did you mean 'd'?",
        "pipelines/p.yaml:7:5: steps.a.retri: unknown key; did you mean 'retry'?",
        "pipelines/p.yaml:8:23: steps.a.resources.cpus: expected 'auto' or a number, but found the text 'x'",
        "pipelines/p.yaml:9:21: outputs.o.from: there is no step 'b'; there is 'a'",
    ]),
    ("type says nothing", T, "type: t\nrecognise: {}\n", [
        "types/t.yaml:2:1: recognise: 'recognise' says nothing: give at least one of name, path, columns, magic, root, extension, json, first",
    ]),
    ("type name glob", T, 'type: t\nrecognise: {name: "*.{csv"}\n', [
        "types/t.yaml:2:19: recognise.name: '{' is not closed (at character 3)",
    ]),
    ("type name slash", T, 'type: t\nrecognise: {name: "/a/*.csv"}\n', [
        "types/t.yaml:2:19: recognise.name: '/a/*.csv' has a '/', but it is matched against the file's name alone",
    ]),
    ("type path", T, 'type: t\nrecognise: {path: "plates/**"}\n', [
        "types/t.yaml:2:19: recognise.path: a glob begins with '/': write '/plates/**' (at character 1)",
    ]),
    ("type magic", T, 'type: t\nrecognise: {magic: gzip}\n', [
        "types/t.yaml:2:20: recognise.magic: 'gzip' is not bytes in hexadecimal; write pairs of digits, like 1f8b",
    ]),
    ("type format", T, 'type: t\nrecognise: {name: "*"}\nformat: tabel\n', [
        "types/t.yaml:3:9: format: expected 'table', 'imzml', 'mzml', 'fastq', 'bam', 'vcf', 'archive' or 'any', but found the text 'tabel'; did you mean 'table'?",
    ]),
    ("type table", T, 'type: t\nrecognise: {name: "*"}\ntable: {fields: [{name: x}]}\n', [
        "types/t.yaml:3:1: table: 'table' needs 'format: table', but the format is 'any'",
    ]),
    ("rule column", T, RULED+'rules:\n  - {code: over, rule: "paid <= chargd"}\n  - {code: nope, rule: "payd > 0"}\n', [
        "types/t.yaml:6:24: rules[0].rule: there is no column 'chargd'; there is 'paid', 'on', 'note'",
        "types/t.yaml:7:24: rules[1].rule: there is no column 'payd'; did you mean 'paid'?",
    ]),
    ("rule types", T, RULED+'rules:\n  - {code: a, rule: "paid < note"}\n  - {code: b, rule: paid + 1}\n  - {code: c, rule: \'"on" > 5\'}\n  - code: d\n    rule: paid <\n  - {code: e, rule: on > 5}\n', [
        "types/t.yaml:6:21: rules[0].rule: compares 'paid' (a number) with 'note' (text); write numbers without quotes",
        "types/t.yaml:7:21: rules[1].rule: gives a number, but has to say what must be true, like paid <= charged",
        "types/t.yaml:8:21: rules[2].rule: compares 'on' (a date) with a number",
        "types/t.yaml:10:11: rules[3].rule: cannot be read at '<' (character 6); write it like paid <= charged",
        "types/t.yaml:11:21: rules[4].rule: has 'on', which is a word of SQL; where a column is meant, write it as \"on\"",
    ]),
    ("rule codes", T, RULED+'rules:\n  - {code: type-error, rule: paid > 0}\n  - {code: a, rule: paid > 0}\n  - {code: a, rule: paid > 1}\n', [
        "types/t.yaml:6:12: rules[0].code: 'type-error' is what another finding about tables is called; give the rule a code of its own",
        "types/t.yaml:8:12: rules[2].code: two rules have the code 'a'; a code is given once",
    ]),
    ("rule code", T, RULED+'rules:\n  - {code: A b, rule: paid > 1}\n', [
        "types/t.yaml:6:12: rules[0].code: 'A b' is no code; write small letters, digits and '-', like paid-over-charged",
    ]),
    ("rules without columns", T, 'type: t\nrecognise: {name: "*"}\nrules: [{code: a, rule: paid > 0}]\n', [
        "types/t.yaml:3:1: rules: 'rules' needs columns to compare: give 'format: table' and 'table'",
    ]),
    ("rules of a step", P, PIPELINE+'    ensure: [{schema: {fields: [{name: x}]}, rules: [{code: a, rule: "y IS NULL"}]}]\n', [
        "pipelines/p.yaml:7:70: steps.a.ensure[0].rules[0].rule: there is no column 'y'; there is 'x'",
    ]),
    ("rules of a step without columns", P, PIPELINE+'    ensure: [{rules: [{code: a, rule: "y IS NULL"}]}]\n', [
        "pipelines/p.yaml:7:15: steps.a.ensure[0].rules: 'rules' needs columns to compare: give 'schema'; a file type brings its own rules",
    ]),
    ("field formats", T, 'type: t\nrecognise: {name: "*"}\nformat: table\ntable:\n  fields:\n    - {name: a, type: string, format: mail}\n    - {name: b, type: list, itemType: geopoint}\n    - {name: c, type: date, constraints: {minimum: yesterday}}\n    - {name: d, type: string, constraints: {maximum: 3}}\n', [
        "types/t.yaml:6:39: table.fields[0].format: has the format 'mail'; the type string has binary, default, email, uri, uuid",
        "types/t.yaml:7:39: table.fields[1].itemType: has the itemType 'geopoint'; a list has items of boolean, date, datetime, integer, number, string, time",
        "types/t.yaml:8:42: table.fields[2].constraints: has minimum 'yesterday', which cannot be read as a date (YYYY-MM-DD)",
        "types/t.yaml:9:44: table.fields[3].constraints: is of the type string, whose values have no order: remove maximum",
    ]),
    ("foreign keys", T, 'type: t\nrecognise: {name: "*"}\nformat: table\ntable:\n  fields: [{name: a}, {name: b}]\n  foreignKeys:\n    - {fields: a, reference: {resource: d, fields: [x, y]}}\n    - {fields: [a], reference: {fields: c}}\n', [
        "types/t.yaml:7:52: table.foreignKeys[0].reference.fields: has 2 columns for the 1 of the key; give as many",
        "types/t.yaml:8:41: table.foreignKeys[1].reference.fields: there is no field 'c'; there is 'a', 'b'",
    ]),
    ("type split", T, 'type: t\nrecognise: {name: "*"}\non_invalid: split\n', [
        "types/t.yaml:3:1: on_invalid: 'on_invalid: split' needs rows to split: give 'format: table' and 'table'",
    ]),
    ("type field", T, 'type: t\nrecognise: {name: "*"}\nformat: table\ntable:\n  primaryKey: idd\n  fields:\n    - {name: id, type: text, constraints: {minlength: 3}}\n', [
        "types/t.yaml:7:24: table.fields[0].type: expected 'any', 'array', 'boolean', 'date', 'datetime', 'duration', 'geojson', 'geopoint', 'integer', 'list', 'number', 'object', 'string', 'time', 'year' or 'yearmonth', but found the text 'text'",
        "types/t.yaml:7:44: table.fields[0].constraints.minlength: unknown key; did you mean 'minLength'?",
    ]),
    ("type key", T, 'type: t\nrecognise: {name: "*"}\nformat: table\ntable:\n  primaryKey: idd\n  fields:\n    - {name: id}\n', [
        "types/t.yaml:4:1: table: a key names the field 'idd', which is not among the fields",
    ]),
    ("type pattern", T, 'type: t\nrecognise: {name: "*"}\nformat: table\ntable:\n  fields:\n    - {name: id, constraints: {pattern: "[a", minLength: 5, maxLength: 2}}\n', [
        "types/t.yaml:6:41: table.fields[0].constraints.pattern: '[a' is not a regular expression: unterminated character set",
        "types/t.yaml:6:58: table.fields[0].constraints.minLength: is greater than 'maxLength', so no value can meet both",
    ]),
    ("type describe", T, 'type: t\nrecognise: {name: "*"}\ndescribe:\n  required: [facilty]\n  properties: {facility: {type: strin}}\n', [
        "types/t.yaml:4:14: describe.required[0]: there is no property 'facilty'; did you mean 'facility'?",
        "types/t.yaml:5:33: describe.properties.facility.type: 'strin' is not a JSON Schema type; did you mean 'string'?",
    ]),
    ("type set", T, 'type: t\nrecognise: {name: "*"}\nset: ["{name}.imzML", "{nam}.ibd", "x", "x"]\n', [
        "types/t.yaml:3:23: set[1]: '{nam}.ibd' and '{name}.imzML' do not share the same names in braces",
        "types/t.yaml:3:36: set[2]: 'x' does not say what the files share; write it in braces, like '{name}.csv'",
        "types/t.yaml:3:41: set[3]: 'x' does not say what the files share; write it in braces, like '{name}.csv'",
        "types/t.yaml:3:41: set[3]: 'x' is listed twice",
    ]),
    ("type set of one", T, 'type: t\nrecognise: {name: "*"}\nset: ["{name}.imzML"]\n', [
        'types/t.yaml:3:6: set: a set has two files or more; give the others, too',
    ]),
    ("type unquoted star", T, 'type: t\nrecognise:\n  name: *.csv\n', [
        'types/t.yaml:3:9: recognise.name: \'*.csv\' refers to nothing; a text that begins with \'*\' needs quotes: "*.csv"',
    ]),
    ("type twice", T, 'type: charges\nrecognise: {name: "*"}\n', [
        "types/t.yaml:1:7: type: 'charges' is defined in types/charges.yaml already; each name is given once",
    ]),
    ("record parent", R, 'record: r\nparent: rr\nschema: {}\n', [
        "records/r.yaml:2:9: parent: there is no record type 'rr'; there is none",
    ]),
    ("record own parent", R, 'record: r\nparent: r\nschema: {}\n', [
        "records/r.yaml:2:9: parent: record types are each other's parents in a circle: r <- r",
    ]),
    ("record no schema", R, 'record: r\n', [
        "records/r.yaml:1:1: 'schema' is missing",
    ]),
    ("record enum", R, 'record: r\nschema:\n  properties:\n    a: {enum: x}\n', [
        'records/r.yaml:4:15: schema.properties.a.enum: not valid JSON Schema: "x" is not of type "array"',
    ]),
    ("record describes", R, 'record: r\ndescribes: datasets\nschema: {}\n', [
        "records/r.yaml:2:12: describes: expected 'dataset', 'version', 'file' or 'nothing', but found the text 'datasets'; did you mean 'dataset'?",
    ]),
    ("lab without name", L, 'store: x\n', [
        "aliquot.yaml:1:1: 'lab' is missing",
    ]),
    ("lab urls", L, 'lab: l\nstore: s4://x\ncatalogue: mysql://x\nhub: hub.db\n', [
        "aliquot.yaml:2:8: store: s4:// cannot be used here; there is 's3', 'az', 'gs', 'file'",
        "aliquot.yaml:3:12: catalogue: 'mysql://x' names no database; write sqlite:///file.db or postgresql://…",
        "aliquot.yaml:4:6: hub: 'hub.db' names no database; write sqlite:///file.db or postgresql://…",
    ]),
    ("lab executor", L, 'lab: l\nexecutor: containr\n', [
        "aliquot.yaml:2:11: executor: expected 'process' or 'container', but found the text 'containr'; did you mean 'container'?",
    ]),
    ("lab executor settings", L, 'lab: l\nexecutor: {kind: container, workers: 0, runtme: podman}\n', [
        'aliquot.yaml:2:38: executor.workers: must be at least 1, but it is 0',
        "aliquot.yaml:2:41: executor.runtme: unknown key; did you mean 'runtime'?",
    ]),
    ("source type", L, 'lab: l\nsources:\n  s: {watch: ./in, accept: [{type: charge, into: c}]}\n', [
        "aliquot.yaml:3:36: sources.s.accept[0].type: there is no file type 'charge'; did you mean 'charges'?",
    ]),
    ("source accept", L, 'lab: l\nsources:\n  s: {watch: ./in, accept: []}\n', [
        'aliquot.yaml:3:28: sources.s.accept: is empty; at least one is needed',
    ]),
    ("source settled", L, 'lab: l\nsources:\n  s: {watch: ./in, settled: {marker: "{pth}.done", set: [a, "{x}.b"]}, ignore: ["a/b"], accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:38: sources.s.settled.marker: a marker knows no '{pth}'; did you mean 'path'?",
        "aliquot.yaml:3:58: sources.s.settled.set[0]: 'a' does not say what the files share; write it in braces, like '{name}.csv'",
        "aliquot.yaml:3:81: sources.s.ignore[0]: 'a/b' has a '/', but it is matched against the file's name alone",
    ]),
    ("source schedule and manifest", L, 'lab: l\nsources:\n  s: {watch: ./in, schedule: {cron: "61 2 * * *", zone: Berlin}, settled: {manifest: {name: "a/*.md5"}}, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:37: sources.s.schedule.cron: '61 2 * * *' is not a schedule (bad minute); write minute, hour, day, month and weekday, like '0 2 * * *' for two at night",
        "aliquot.yaml:3:57: sources.s.schedule.zone: there is no time zone 'Berlin'; did you mean 'Europe/Berlin'?",
        "aliquot.yaml:3:93: sources.s.settled.manifest.name: 'a/*.md5' has a '/', but it is matched against the file's name alone",
    ]),
    ("sources same", L, 'lab: l\nsources:\n  s: {watch: ./in, accept: [{type: charges, into: c}]}\n  t: {watch: in/, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:4:14: sources.t.watch: the source 's' watches the same place, so every file would be taken in twice",
    ]),
    ("sources nested", L, 'lab: l\nsources:\n  s: {watch: ./in/a, accept: [{type: charges, into: c}]}\n  t: {watch: in, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:4:14: sources.t.watch: the source 's' watches a place around or inside it, so every file would be taken in twice",
    ]),
    ("source over store", L, 'lab: l\nsources:\n  s: {watch: ., accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:14: sources.s.watch: the lab's own store lies in the place that is watched; watch one of its own",
    ]),
    ("no slashes", L, ('lab: l\nstore: s3:bucket\nsources:\n'
        '  s: {watch: "file:/srv/inbox", accept: [{type: charges, into: c}]}\n'), [
        "aliquot.yaml:2:8: store: 's3:bucket' is no URL; write s3://bucket",
    ]),
    ("source scheme", L, 'lab: l\nsources:\n  s: {watch: "ftp://x", accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:14: sources.s.watch: ftp:// cannot be used here; there is 's3', 'az', 'gs', 'file'",
    ]),
    ("bucket in bucket", L, ('lab: l\nsources:\n  s: {watch: "s3://x/y", accept: [{type: charges, into: c}]}\n'
        '  t: {watch: "s3://x/y/z/", accept: [{type: charges, into: c}]}\n'), [
        "aliquot.yaml:4:14: sources.t.watch: the source 's' watches a place around or inside it, so every file would be taken in twice",
    ]),
    ("bucket in bucket, written otherwise", L, ('lab: l\nsources:\n  s: {watch: "s3://x/a b", accept: [{type: charges, into: c}]}\n'
        '  t: {watch: "s3://x/a%20b/c", accept: [{type: charges, into: c}]}\n'), [
        "aliquot.yaml:4:14: sources.t.watch: the source 's' watches a place around or inside it, so every file would be taken in twice",
    ]),
    ("source adopt and after", L, 'lab: l\nsources:\n  s: {watch: ./in, adopt: true, after: delete, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:20: sources.s.adopt: 'adopt' leaves files where they lie, so that 'after: delete' would lose them",
    ]),
    ("source adopt and credentials", L, 'lab: l\nsources:\n  s: {watch: "s3://x/y", adopt: true, settings: {aws_region: a, aws_secret_access_key: b}, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:26: sources.s.adopt: 'adopt' has files read by whoever needs them later, with credentials of the environment: give 'aws_secret_access_key' there, not here",
    ]),
    ("source since", L, 'lab: l\nsources:\n  s: {watch: "s3://x/y", since: tomorrow, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:33: sources.s.since: 'tomorrow' is no time; write all, now, or a date such as 2026-01-31",
    ]),
    ("source wake", L, 'lab: l\nsources:\n  s: {watch: "s3://x/y", wake: {}, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:32: sources.s.wake: give either 'sqs' or 'azure_queue'",
    ]),
    ("source wake elsewhere", L, 'lab: l\nsources:\n  s: {watch: inbox, wake: {sqs: "https://sqs/1/q"}, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:33: sources.s.wake.sqs: such a queue tells of s3:// alone, but inbox is watched; leave 'wake' out",
    ]),
    ("source wake url", L, 'lab: l\nsources:\n  s: {watch: "az://x/y", wake: {azure_queue: arrivals}, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:46: sources.s.wake.azure_queue: 'arrivals' is no URL of a queue; write https://… as its cloud shows it",
    ]),
    ("source quiet", L, 'lab: l\nsources:\n  s: {watch: x, settled: {quiet: 2 secs}, accept: [{type: charges, into: c}]}\n', [
        "aliquot.yaml:3:34: sources.s.settled.quiet: '2 secs' is not a span of time; write a number and one of ms, s, m, h, d, like 90s or 1h",
    ]),
    ("vault unknown", L, 'lab: l\nvaults: {local: {folder: s}}\nhub: "postgresql://x:${secret:locla/pw}@h/d"\n', [
        "aliquot.yaml:3:6: hub: aliquot.yaml has no vault 'locla'; did you mean 'local'?",
    ]),
    ("vault both", L, 'lab: l\nvaults: {local: {folder: s, environment: X_}}\n', [
        "aliquot.yaml:2:17: vaults.local: a vault is either 'folder' or 'environment'; give one of them",
    ]),
    ("reference malformed", L, 'lab: l\nhub: "postgresql://x:${secret:pw}@h/d"\nstore: "${env:MY-STORE}"\n', [
        "aliquot.yaml:2:6: hub: '${secret:pw}' is not a reference; write ${secret:vault/name}",
        "aliquot.yaml:3:8: store: '${env:MY-STORE}' is not a reference; write ${env:NAME} with letters, digits and '_'",
    ]),
    ("environment not set", L, 'lab: l\nexecutor: {kind: "${env:EXECUTOR}", workers: "${env:WORKERS}"}\n', [
        'aliquot.yaml:2:18: executor.kind: the environment variable EXECUTOR is not set, and this setting is needed to read the lab',
    ]),
    ("secret number", L, 'lab: l\nvaults: {local: {folder: s}}\nexecutor: {workers: "${secret:local/n}"}\n', [
        "aliquot.yaml:3:21: executor.workers: expected a whole number, but found the text '${secret:local/n}'; a reference gives a text, not a number",
    ]),
]
# fmt: on


def _write(folder: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)


@pytest.mark.parametrize(("name", "file", "text", "expected"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_file_is_answered_word_for_word(name, file, text, expected, tmp_path):
    lab, outside = tmp_path / "lab", tmp_path / "outside.py"
    _write(lab, {**WHOLE, file: text})
    outside.write_text("")
    (lab / "scripts/link").symlink_to(outside)
    with pytest.raises(Invalid) as caught:
        read_lab(lab, {"WORKERS": "4"})
    assert caught.value.code == "definition-invalid"
    assert caught.value.message.splitlines()[1:] == expected


def test_the_files_around_the_broken_ones_are_whole(tmp_path):
    _write(tmp_path, {**WHOLE, P: PIPELINE})
    found = read_lab(tmp_path)
    assert (found.lab.lab, list(found.types), list(found.pipelines)) == ("l", ["charges"], ["p"])


def test_mistakes_of_all_files_come_together_with_their_places_as_facts(tmp_path):
    broken = {L: "lab: 5\n", R: "record: r\nshema: {}\n", "types/x.yml": "type: [\n"}
    _write(tmp_path, {**WHOLE, **broken})
    with pytest.raises(Invalid) as caught:
        read_lab(tmp_path)
    assert caught.value.message.splitlines() == [
        "The definitions have 4 mistakes; correct them here:",
        "aliquot.yaml:1:6: lab: expected a text, but found the number 5; put it into quotes",
        "records/r.yaml:1:1: 'schema' is missing",
        "records/r.yaml:2:1: shema: unknown key; did you mean 'schema'?",
        "types/x.yml:2:1: the text ends before a bracket is closed",
    ]
    assert caught.value.facts["problems"][0] == {
        "file": "aliquot.yaml",
        "line": 1,
        "column": 6,
        "field": "lab",
        "text": "expected a text, but found the number 5; put it into quotes",
    }
