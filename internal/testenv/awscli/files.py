"""Prints the files that the AWS CLI of this interpreter is made of, a path a line: the interpreter, its standard library, and the
packages that awscli needs. Of AWS's services it is all about those that the arguments name, and of others what the CLI must know of
each. It says on standard error why it cannot."""

import importlib.metadata
import os
import re
import sys

# What of the library no command needs.
FOLDERS = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo", "pydoc_data"}
MODULES = ("_test", "_xx", "_tkinter", "_codecs_", "_curses", "_dbm", "_gdbm", "audioop", "nis.", "ossaudiodev", "readline", "turtle")
services = set(sys.argv[1:])


def library():
    folders = {os.path.dirname(os.__file__)} | {p for p in sys.path if os.path.basename(p) == "lib-dynload"}
    for folder in folders:
        for path, below, names in os.walk(folder):
            below[:] = [b for b in below if b not in FOLDERS and not b.startswith("config-")]
            yield from (os.path.join(path, n) for n in names if ".opt-" not in n and not n.startswith(MODULES))


def packages(name, seen):
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return  # a requirement of other platforms
    if found.metadata["Name"].lower() in seen:
        return
    seen.add(found.metadata["Name"].lower())
    if found.files is None:
        sys.exit(f"nothing says which files the package {name} has")
    yield from (os.path.normpath(f.locate()) for f in found.files)
    for requirement in found.requires or []:
        wanted, _, marker = requirement.partition(";")
        if "extra" not in marker:
            yield from packages(re.match(r"[\w.-]+", wanted)[0], seen)


def wanted(path):
    if "/awscli/examples/" in path:
        return False
    service = re.search(r"/botocore/data/([^/]+)/", path)
    return not service or service[1] in services or "/service-2.json" in path


seen = set()
files = set(packages("awscli", seen)) | set(library()) | {sys.executable, os.path.join(sys.prefix, "pyvenv.cfg")}
if "awscli" not in seen:
    sys.exit("this interpreter has no package awscli")
for path in sorted(files):
    if os.path.isfile(path) and wanted(path):
        print(path)
