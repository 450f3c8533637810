"""`aliquot init`: a new lab."""

import os
import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import PLAIN, Plain, noun
from aliquot.cli.output import line, print_json, say
from aliquot.cli.text import plain
from aliquot.definitions.new_lab import write_template

app = noun("init")


@app.default
def init(folder: Annotated[Path, Parameter(name="DIR")], /, *, name: str | None = None, options: Plain = PLAIN) -> None:
    """Make a new lab.

    Parameters
    ----------
    folder
        The folder, new or empty.
    name
        The lab's name; by default the folder's.
    """
    target = Path(os.path.normpath(folder.absolute()))
    files = write_template(target, name or target.resolve().name.lower().replace(" ", "-"))
    if options.json:
        print_json({"folder": str(target), "files": [str(path.relative_to(target)) for path in files]})
        return
    line(f"A new lab is in {plain(str(target))}.")
    say("\nWhat to type next:\n")
    if not target.samefile(Path.cwd()):
        say(f"  cd {plain(shlex.quote(str(folder)))}")
    say("  aliquot apply                    # register what its files define")
    say("  cp example/plate-1.csv inbox/    # a file lands")
    say("  aliquot up --until-idle          # take it in, summarise it, load the table")
    say("  aliquot hub query 'SELECT * FROM sample_means'")
