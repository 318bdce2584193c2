"""One file → one grey array.

Enters: a JPEG, PNG, TIFF or DICOM file. Leaves: uint8 or uint16, [H, W], upright, with true values,
or one named refusal. DICOM and what else crashes decoders is read in worker processes.
"""
