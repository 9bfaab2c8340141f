"""Reading a completion: its quantities and diagnoses, and what is claimed of them; plain Python, in linear time."""
