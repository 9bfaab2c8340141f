"""`python -m ecg_r1 …`: the command line, for where no `ecg-r1` is on the path. A run starts its processes with it."""

from ecg_r1.cli import main

if __name__ == "__main__":
    main()
