"""`python -m ecg_r1 …`: the command line where no script `ecg-r1` is on the path. A run starts its processes so."""

from ecg_r1.cli import main

if __name__ == "__main__":
    main()
