"""Try "Open in Colab" for real: a fresh environment with Colab's packages, one notebook, an empty folder.

    python3.13 scripts/check_colab.py [NOTEBOOK ...]

Makes a virtual environment for the interpreter that runs this (one for each core), installs what Colab comes
with (COLAB below) and nothing of the course, puts each notebook alone into an empty folder, points its
install cell at a bare clone of this repository, and runs it top to bottom in quick mode, with a mode set in
the first cell as a reader would set it. Then imports every module of the package. Fails if a cell fails, if
the course was already importable, if build_tools came along, or if a package that Colab brings has changed
version.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
COLAB_PYTHON = (3, 13)
# What Colab's image has of what the course needs, at the versions of its current release.
COLAB = [
    "tensorflow==2.20.0",
    "keras==3.13.2",
    "numpy==2.1.3",
    "pandas==2.2.3",
    "matplotlib==3.10.0",
    "scikit-learn==1.6.1",
    "ipykernel==6.17.1",
]

# Runs inside the new environment: executes a notebook with its own kernel machinery (ipykernel brings
# jupyter_client), so that nothing has to be installed beside Colab's packages to run it.
RUNNER = """
import importlib.util, json, sys
from jupyter_client.manager import start_new_kernel

assert importlib.util.find_spec("course_utils") is None, "course_utils was importable before the notebook ran"
notebook = json.load(open(sys.argv[1], encoding="utf-8"))
manager, client = start_new_kernel(kernel_name="python3")
failed = None
first = {"cell_type": "code", "source": "import os; os.environ['COURSE_MODE'] = 'quick'"}
last = {"cell_type": "code", "source": open(sys.argv[2], encoding="utf-8").read()}
try:
    for number, cell in enumerate([first, *notebook["cells"], last]):
        if cell["cell_type"] != "code":
            continue
        said = []

        def hook(message):
            if message["msg_type"] == "error":
                said.append("\\n".join(message["content"]["traceback"]))
            elif message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        source = cell["source"]
        source = source if isinstance(source, str) else "".join(source)
        reply = client.execute_interactive(source, output_hook=hook, timeout=900)
        if reply["content"]["status"] != "ok":
            failed = f"cell {number} failed:\\n" + "".join(said)
            break
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
sys.exit(failed)
"""

# Runs at the end of each notebook, in its kernel.
EVERY_MODULE = """
import importlib, importlib.util, pkgutil, course_utils
from course_utils.stack import STACK

for _module in pkgutil.walk_packages(course_utils.__path__, "course_utils."):
    if not _module.name.endswith("_addons"):  # these are of the other stack
        importlib.import_module(_module.name)
assert STACK == "keras3", STACK
assert importlib.util.find_spec("build_tools") is None, "build_tools was installed too"
"""


def run(*command, **kwargs):
    """Run a command; end with its output if it fails."""
    done = subprocess.run(command, text=True, capture_output=True, **kwargs)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def versions(python):
    """Give the version of every package installed for an interpreter."""
    listed = json.loads(run(python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"))
    return {package["name"].lower(): package["version"] for package in listed}


def local_copy(folder, revision):
    """Make a bare clone of this repository whose `revision` is the commit that is checked out here."""
    clone = folder / "repository.git"
    run("git", "clone", "--quiet", "--bare", ROOT, clone)
    head = run("git", "-C", ROOT, "rev-parse", "HEAD").strip()
    run("git", "-C", clone, "update-ref", f"refs/heads/{revision}", head)
    return clone.as_uri()


def main():
    """Check the notebooks named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    arguments = parser.parse_args()
    if sys.version_info[:2] != COLAB_PYTHON:
        wanted = ".".join(map(str, COLAB_PYTHON))
        sys.exit(
            f"Colab runs Python {wanted}; this is {sys.version.split()[0]}. Start me with python{wanted}."
        )
    notebooks = arguments.notebooks or [
        notebook
        for folder in (ROOT / "notebooks", ROOT / "notebooks" / "solutions")
        for notebook in sorted(folder.glob("*.ipynb"))
    ]
    if not notebooks:
        sys.exit("There is no notebook to check; `make notebooks` builds them.")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    address, revision = project["project"]["urls"]["Repository"], project["tool"]["course"]["revision"]

    with tempfile.TemporaryDirectory(prefix="colab-") as temporary:
        folder = Path(temporary)
        clone = local_copy(folder, revision)
        # Each core takes its share of the notebooks, in an environment of its own; making one takes longer
        # than running two notebooks.
        cores = min(os.cpu_count() or 1, -(-len(notebooks) // 2))
        shares = [notebooks[core::cores] for core in range(cores)]
        places = [folder / f"core{core}" for core in range(cores)]
        with ThreadPoolExecutor(cores) as pool:
            jobs = [
                pool.submit(check, share, place, f"git+{address}@", f"git+{clone}@", revision)
                for share, place in zip(shares, places, strict=True)
            ]
            for job in jobs:
                job.result()


def check(notebooks, folder, address, clone, revision):
    """Run notebooks one after the other in a new environment of Colab's packages; each finds it unchanged."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment = {k: v for k, v in environment.items() if k != "COURSE_MODE"}
    environment |= {"HOME": str(folder / "home")}
    (folder / "home").mkdir(parents=True)
    every_module = folder / "every_module.py"
    every_module.write_text(EVERY_MODULE, encoding="utf-8")
    python = folder / "environment" / "bin" / "python"
    venv.create(folder / "environment", with_pip=True)
    uv = ["uv", "pip", "install", "--compile-bytecode", "--python", python]
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    # Asked for its version, since a shim of pyenv may stand in for no uv at all.
    there = shutil.which("uv") and not subprocess.run(["uv", "--version"], capture_output=True).returncode
    run(*(uv if there else pip), "--quiet", *COLAB)
    before = versions(python)
    for notebook in notebooks:
        text = notebook.read_text(encoding="utf-8")
        if f"{address}{revision}" not in text:
            sys.exit(f"{notebook.name} does not install from {address}{revision}")
        alone = folder / notebook.parent.name / notebook.stem / notebook.name
        alone.parent.mkdir(parents=True)
        alone.write_text(text.replace(address, clone), encoding="utf-8")
        run(python, "-c", RUNNER, alone, every_module, cwd=alone.parent, env=environment)

        after = versions(python)
        changed = {n: (v, after.get(n)) for n, v in before.items() if after.get(n) != v}
        if changed:
            sys.exit(f"{notebook.name} changed packages that Colab has loaded: {changed}")
        added = sorted(set(after) - set(before))
        name = notebook.relative_to(ROOT).as_posix() if notebook.is_relative_to(ROOT) else notebook.name
        print(f"{name}: ran alone on Colab's packages; added {', '.join(added)}", flush=True)
        # Back to Colab's packages for the next one.
        run(python, "-m", "pip", "uninstall", "--yes", "--quiet", *added)
        if versions(python) != before:
            sys.exit("The environment could not be put back as it was.")


if __name__ == "__main__":
    main()
