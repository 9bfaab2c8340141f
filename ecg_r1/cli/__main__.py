"""`python -m ecg_r1.cli`: how a run starts its own processes."""

from ecg_r1.cli import main

main()
