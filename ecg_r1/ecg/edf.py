"""EDF, EDF+ and BDF, read by pyedflib."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from ecg_r1.ecg.leads import standard_leads
from ecg_r1.ecg.other_files import LARGEST, SECONDS
from ecg_r1.ecg.raw import NOT_MILLIVOLTS, RawRecord, RecordError, needs, size_of


def read_edf(path: Path) -> RawRecord:
    """The signals of an EDF or BDF file that are sampled as its ECG leads are.

    Raises:
        RecordError: no such file, without an ECG lead, or pyedflib is not installed.
    """
    with needs("pyedflib", "edf", path):
        import pyedflib
    try:
        _check_size(path)
        # pyedflib's own check prints to stdout, where the caller may be writing JSON.
        with (
            _in_ascii(path) as plain,
            pyedflib.EdfReader(str(plain), pyedflib.DO_NOT_READ_ANNOTATIONS, pyedflib.DO_NOT_CHECK_FILE_SIZE) as file,
        ):
            names = file.getSignalLabels()
            rates = [float(file.getSampleFrequency(i)) for i in range(len(names))]
            samples = file.getNSamples()
            leads = standard_leads(names)
            common = Counter(rate for rate, lead in zip(rates, leads, strict=True) if lead).most_common(1)
            if not common:
                raise RecordError(f"{path}: none of the 12 standard leads among {', '.join(names)[:80]}")
            rate = common[0][0]
            if not 0 < rate <= 1e6:
                raise RecordError(f"{path}: sampled at {rate:g} Hz")
            chosen = [i for i, other in enumerate(rates) if other == rate]
            length = min(int(samples[i]) for i in chosen)
            wanted = min(length, int(SECONDS * rate))
            signal = np.stack([file.readSignal(i, 0, wanted) for i in chosen])
            units = tuple(file.getPhysicalDimension(i).strip() or NOT_MILLIVOLTS for i in chosen)
            comments = tuple(
                f"{key}: {value}"
                for key, value in (("Sex", file.getSex()), ("Patient", file.getPatientCode()))
                if value
            )
    except RecordError:
        raise
    except (OSError, ValueError, IndexError, KeyError, TypeError, RuntimeError, MemoryError, OverflowError) as error:
        raise RecordError(f"{path}: not an EDF file ({str(error)[:80]})") from None
    left_out = [names[i] for i in range(len(names)) if i not in chosen]
    return RawRecord(
        signal=signal,
        names=tuple(names[i] for i in chosen),
        units=units,
        rate=rate,
        seconds=length / rate,
        comments=comments,
        source=path.parent.name or None,
        warnings=(f"signals of other rates left out: {' '.join(left_out)[:80]}",) if left_out else (),
    )


@contextmanager
def _in_ascii(path: Path) -> Iterator[Path]:
    """The file; a copy of its beginning where the header has letters that EDF does not know, such as µ, é and ü.

    pyedflib refuses such files, which recorders in many countries write.
    """
    with path.open("rb") as file:
        head = file.read(256)
        head += file.read(256 * int(head[252:256]))
        if head.isascii():
            yield path
            return
        plain = head.replace("µV".encode(), b"uV ").replace(b"\xb5V", b"uV").replace(b"\xe6V", b"uV")
        with NamedTemporaryFile(suffix=path.suffix) as copy:
            copy.write(bytes(letter if letter < 128 else ord("?") for letter in plain))
            copy.write(file.read(LARGEST))
            copy.flush()
            yield Path(copy.name)


def _check_size(path: Path) -> None:
    """Hold the file's size against what its header promises (https://www.edfplus.info/specs/edf.html).

    Raises:
        RecordError: the file is shorter.
        ValueError: the header is not one.
    """
    size = size_of(path)
    with path.open("rb") as file:
        head = file.read(256)
        signals = int(head[252:256])
        if not 1 <= signals <= 4096:
            raise ValueError(f"{signals} signals")
        file.seek(256 + 216 * signals)
        samples = sum(int(file.read(8)) for _ in range(signals))
    records, width = int(head[236:244]), 3 if head[:1] == b"\xff" else 2
    promised = 256 * (signals + 1) + records * samples * width
    if records < 1 or samples < 1 or size < promised:
        raise RecordError(f"{path}: truncated: {size} of {promised} bytes")
