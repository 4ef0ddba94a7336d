"""Messages and commands."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "cairn"


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def stop(text):
    say(text)
    sys.exit(2)


def run(command, **options):
    """The standard output of a command; ends the program with its errors when it fails."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options)
    if done.returncode != 0:
        say(f"failed: {' '.join(map(str, command))}\n{done.stderr[-3000:]}")
        sys.exit(1)
    return done.stdout


def environment(name, packages, variables=None, replaced=None):
    """The interpreter of a virtual environment with `packages`, made on first use.

    `variables` are set while pip runs. `replaced` names requirements of the first package that an index does not carry, and
    what goes in their place (None: nothing).
    """
    venv = CACHE / f"venv-compare-{name}"
    python, mark = venv / "bin/python", venv / "installed.txt"
    wanted = repr((packages, variables, replaced))
    if mark.exists() and mark.read_text() == wanted:
        return str(python)
    say(f"installing {packages[0]} into {venv}; takes some minutes")
    run([sys.executable, "-m", "venv", "--clear", venv])
    install = [python, "-m", "pip", "install", "--quiet"]
    if replaced:
        run([*install, "--no-deps", packages[0]])
        run([*install, *requirements_of(python, packages[0].split("==")[0], replaced)])
    else:
        run([*install, *packages], env={**os.environ, **(variables or {})})
    mark.write_text(wanted)
    return str(python)


def requirements_of(python, package, replaced):
    """What an installed package asks for, without its extras."""
    lines = run([python, "-c", "import importlib.metadata, sys; print(*importlib.metadata.requires(sys.argv[1]), sep=chr(10))", package])
    asked = {line: re.match(r"[\w.-]+", line)[0] for line in lines.splitlines() if "extra ==" not in line}
    return [line for line, name in asked.items() if name not in replaced] + [other for other in replaced.values() if other]
