"""The benchmark measured-claims as a task of other harnesses, from a folder that `ecg-r1 benchmark export` wrote."""
