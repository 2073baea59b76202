"""Makes tests/fuzz/seeds/torch_file from tests/golden/torch: each whole file, and each pickle."""
import glob
import os
import zipfile

here = os.path.dirname(os.path.abspath(__file__))
lists = ("list", "legacy_list", "tuple", "fortran", "big_endian", "complex", "texts")  # read as lists of arrays
out = os.path.join(here, "seeds", "torch_file")
os.makedirs(out, exist_ok=True)
for path in sorted(glob.glob(os.path.join(here, "..", "golden", "torch", "*.pt"))):
    name = os.path.basename(path)[:-3]
    with open(path, "rb") as file:
        whole = file.read()
    how = 2 if name in lists else 0
    if not zipfile.is_zipfile(path):  # of PyTorch before 1.6
        with open(os.path.join(out, name + ".bin"), "wb") as file:
            file.write(bytes([how]) + whole)
        continue
    with open(os.path.join(out, name + ".zip.bin"), "wb") as file:
        file.write(bytes([how]) + whole)
    with zipfile.ZipFile(path) as archive:
        pickle = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        with open(os.path.join(out, name + ".pkl.bin"), "wb") as file:
            file.write(bytes([how + 1]) + archive.read(pickle))
