# a directory + what a program has synced → what is left of it after a power cut, at worst: everything else had never been.
import os
import shutil
import tempfile
from pathlib import Path


def disk_of(place, root):
    """The disk before the program starts, as fault.so keeps it: all that lies in `place` is on it."""
    disk = Path(tempfile.mkdtemp(dir=root))
    for directory, _, files in os.walk(place):
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        (disk / f"{os.stat(directory).st_ino}.d").write_text("".join(f"{entry.inode()} {entry.name}{'/' * entry.is_dir()}\n" for entry in entries))
        for name in files:
            shutil.copy(Path(directory) / name, disk / f"{os.stat(Path(directory) / name).st_ino}.f")
    return disk


def put(disk, inode, where, directory):
    file, entries = disk / f"{inode}.f", disk / f"{inode}.d"
    if directory:  # empty where only its name was synced
        where.mkdir()
        for line in entries.read_text().splitlines() if entries.exists() else []:
            number, name = line.split(" ", 1)
            put(disk, number, where / name.rstrip("/"), name.endswith("/"))
    elif file.exists():
        shutil.copy(file, where)
    else:
        where.write_bytes(b"")  # its name was synced, its content never


def what_is_left(place, disk):
    inode = os.stat(place).st_ino
    shutil.rmtree(place)
    put(disk, inode, place, True)
