"""Whether a text claims what it says of this ECG: what quantities, diagnoses and findings all ask."""
