"""Makes tests/golden/image/: small image files and what Pillow and torchvision make of them.

usage: make_image_golden.py        (needs Pillow, torchvision, numpy; writes next to itself)

  NAME.jpg, NAME.png, NAME.webp, NAME.gif, NAME.tif, NAME.bmp, NAME.ppm   inputs
  NAME_jpg.rgb ...     Image.open(NAME).convert("RGB"): u32 width, u32 height (little-endian), pixels
  resample.txt         crop + resize of the synthetic image of test_resample.c:
                       width height  x y w h  out_width out_height  bilinear|bicubic  crc32
  geometry.txt         Resize + CenterCrop: width height short crop  new_width new_height left top
  eval.txt             whole transform: width height short crop filter  crc32 of the float32 tensor
"""

import io
import os
import random
import struct
import zlib

import numpy as np
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "image")
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
MODES = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def synthetic(width, height):
    """The image that synthetic() of test_resample.c draws: noise with sharp black/white areas."""
    index = np.arange(width * height * 3, dtype=np.uint64)
    mixed = (index * np.uint64(2654435761) + np.uint64(width * 7919 + height)) & np.uint64(0xFFFFFFFF)
    mixed ^= mixed >> np.uint64(15)
    mixed = (mixed * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    mixed ^= mixed >> np.uint64(13)
    pixels = (mixed & np.uint64(255)).astype(np.uint8)
    pixels[(mixed & np.uint64(0x700)) == 0] = 0
    pixels[(mixed & np.uint64(0x700)) == 0x100] = 255
    return Image.fromarray(pixels.reshape(height, width, 3))


def smooth(width, height):
    """A compressible picture with all hues and an edge."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    r = 127.5 + 127.5 * np.sin(x / 5)
    g = 127.5 + 127.5 * np.cos(y / 7 + x / 11)
    b = np.where((x - width / 2) ** 2 + (y - height / 2) ** 2 < width * height / 12, 230, 30)
    return Image.fromarray(np.stack([r, g, b + 0 * x], -1).round().astype(np.uint8))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def save(image, suffix, **options):
    buffer = io.BytesIO()
    image.save(buffer, suffix, **options)
    return buffer.getvalue()


# Adam7 of an 8 x 8 RGB image, written by hand: Pillow cannot write interlaced PNG.
def interlaced_png(image):
    pixels, rows = np.asarray(image), b""
    height, width, _ = pixels.shape
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                           (1, 0, 2, 2), (0, 1, 1, 2)]:
        part = pixels[y0::dy, x0::dx]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def webp_and_gif_files(rgba):
    rgb, noise = smooth(45, 31), synthetic(13, 9)
    colours = noise.quantize(11)
    small = smooth(45, 31).crop((5, 3, 25, 20)).quantize(30)
    # A frame inside of a larger screen; colour 2 is transparent.
    inside = save(small, "GIF", transparency=2, interlace=0)
    screen = bytearray(inside)
    screen[6:10] = struct.pack("<HH", 30, 24)
    image = bytes(screen).index(b",\0\0\0\0" + struct.pack("<HH", 20, 17))
    screen[image + 1 : image + 5] = struct.pack("<HH", 7, 4)
    outside = bytearray(screen)
    outside[6:10] = struct.pack("<HH", 15, 12)
    return {
        "lossy.webp": save(rgb, "WEBP", quality=70),
        "lossless.webp": save(noise, "WEBP", lossless=True),
        "lossy_alpha.webp": save(rgba, "WEBP", quality=60),
        "lossless_alpha.webp": save(rgba, "WEBP", lossless=True, exact=True),
        "animated.webp": save(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(180)]),
        "plain.gif": save(colours, "GIF", interlace=0),
        "interlaced.gif": save(small, "GIF", interlace=1),
        "grey.gif": save(noise.convert("L"), "GIF"),
        "animated.gif": save(colours, "GIF", save_all=True, append_images=[colours.rotate(180)]),
        "inside.gif": bytes(screen),
        "outside.gif": bytes(outside),
        "no_transparency.gif": bytes(screen).replace(b"!\xf9\x04\x01", b"!\xf9\x04\x00", 1),
    }


def tiff_files(rgba):
    rgb, noise = smooth(45, 31), synthetic(13, 9)
    turned = {f"turned_{n}.tif": save(noise, "TIFF", tiffinfo={274: n}) for n in range(2, 9)}
    # Premultiplied alpha: ExtraSamples 1 in the place of 2.
    associated = bytearray(save(rgba, "TIFF"))
    tag = bytes(associated).index(struct.pack("<HHI", 338, 3, 1))
    associated[tag + 8 : tag + 10] = struct.pack("<H", 1)
    return {
        **turned,
        "raw.tif": save(noise, "TIFF"),
        "lzw.tif": save(rgb, "TIFF", compression="tiff_lzw"),
        "predicted.tif": save(rgb, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2}),
        "packbits.tif": save(noise, "TIFF", compression="packbits"),
        "jpeg.tif": save(rgb, "TIFF", compression="jpeg", quality=80),
        "group4.tif": save(noise.convert("1"), "TIFF", compression="group4"),
        "grey.tif": save(noise.convert("L"), "TIFF"),
        "palette.tif": save(noise.quantize(11), "TIFF"),
        "alpha.tif": save(rgba, "TIFF"),
        "grey_alpha.tif": save(rgba.convert("LA"), "TIFF"),
        "premultiplied.tif": bytes(associated),
        "big.tif": save(noise, "TIFF", big_tiff=True),
    }


def bmp(width, height, bits, pixels, palette=b"", compression=0, masks=b"", header=40):
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0,
                           len(palette) // 4, 0)
    at = 14 + len(info) + len(masks) + len(palette)
    return (b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + info + masks + palette + pixels)


def bmp_files():
    noise, rng = synthetic(13, 9), random.Random(3)
    words = b"".join(struct.pack("<13H2x", *[rng.getrandbits(16) for _ in range(13)]) for _ in range(9))
    pad4 = b"".join(bytes(rng.getrandbits(8) for _ in range(7)) + b"\0" for _ in range(9))
    colours = bytes(rng.getrandbits(8) for _ in range(64))
    wide = bytes(rng.getrandbits(8) for _ in range(4 * 13 * 9))
    rle8 = (b"\x05\x03\x00\x04\x01\x02\x03\x04\x00\x00" + b"\x00\x02\x02\x01" + b"\x09\x05\x00\x00"
            + b"\x00\x05\x01\x02\x03\x04\x05\x00\x20\x07\x00\x00" + b"\x0d\x06\x00\x00" * 5 + b"\x00\x01")
    rle4 = (b"\x05\x3a\x00\x05\x12\x34\x50\x00\x00\x00" + b"\x0d\x6b\x00\x00" * 8 + b"\x00\x01")
    return {
        "rgb.bmp": save(noise, "BMP"),
        "rgba.bmp": save(noise.convert("RGBA"), "BMP"),
        "grey.bmp": save(noise.convert("L"), "BMP"),
        "palette.bmp": save(noise.quantize(11), "BMP"),
        "one_bit.bmp": save(noise.convert("1"), "BMP"),
        "palette_4bit.bmp": bmp(13, 9, 4, pad4, colours),
        "os2.bmp": bmp(13, 9, 4, pad4, colours[:48], header=12),
        "top_down.bmp": bmp(13, -9, 4, pad4, colours),
        "word_555.bmp": bmp(13, 9, 16, words),
        "word_565.bmp": bmp(13, 9, 16, words, compression=3,
                            masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)),
        "word_32.bmp": bmp(13, 9, 32, wide),
        "masks_32.bmp": bmp(13, 9, 32, wide, compression=3,
                            masks=struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00)),
        "rle8.bmp": bmp(13, 9, 8, rle8, colours, compression=1),
        "rle4.bmp": bmp(13, 9, 4, rle4, colours, compression=2),
    }


def pnm_files():
    noise, rng = synthetic(13, 9), random.Random(4)
    values = [rng.randint(0, 100) for _ in range(13 * 9 * 3)]
    wide = struct.pack(">351H", *[rng.randint(0, 1000) for _ in range(351)])
    return {
        "binary.ppm": save(noise, "PPM"),
        "grey.ppm": save(noise.convert("L"), "PPM"),
        "bits.ppm": save(noise.convert("1"), "PPM"),
        "hundred.ppm": b"P6 # a comment\n13 9\n100\n" + bytes(values),
        "thousand.ppm": b"P6\n13\t9\n1000\n" + wide,
        "grey_hundred.ppm": b"P5\n13 9\n100\n" + bytes(values[:117]),
        "plain.ppm": b"P3\n# made by hand\n13 9\n100\n" + " ".join(map(str, values)).encode(),
        "plain_grey.ppm": b"P2 13 9 100 " + "\n".join(map(str, values[:117])).encode() + b"\n",
        "plain_bits.ppm": b"P1\n7 3\n1010101 0 1 0 1 0 1 0\n# rest\n1111000\n",
    }


def files():
    rgb, cmyk = smooth(45, 31), smooth(45, 31).convert("CMYK")
    plain_cmyk = save(cmyk, "JPEG", quality=80)
    adobe = plain_cmyk.index(b"\xff\xee")
    length = struct.unpack(">H", plain_cmyk[adobe + 2 : adobe + 4])[0]
    exif = Image.Exif()
    exif[274] = 6
    noise = np.asarray(synthetic(13, 9)).astype(np.uint16)
    gray16 = b"".join(b"\0" + (row[:, 0] * 257).astype(">u2").tobytes() for row in noise)
    la16 = b"".join(b"\0" + (row[:, :2] * 256 + 200).astype(">u2").tobytes() for row in noise)
    rgb16 = b"".join(b"\0" + (row * 256 + 255).astype(">u2").tobytes() for row in noise)
    bits = b"".join(b"\0" + row.tobytes() for row in np.asarray(synthetic(1, 9))[:, 0, :2])
    palette = chunk(b"PLTE", bytes(range(20, 68)))
    nibbles = b"".join(b"\0" + row.tobytes() for row in np.asarray(synthetic(3, 7))[:, :, 0])
    rgba = synthetic(13, 9).convert("RGBA")
    rgba.putalpha(synthetic(13, 9).convert("L"))
    return {
        "baseline_420.jpg": save(rgb, "JPEG", quality=85),
        "baseline_422.jpg": save(rgb, "JPEG", quality=85, subsampling=1),
        "baseline_444.jpg": save(rgb, "JPEG", quality=95, subsampling=0),
        "progressive.jpg": save(rgb, "JPEG", quality=70, progressive=True),
        "restarts.jpg": save(rgb, "JPEG", quality=70, restart_marker_blocks=2),
        "grey.jpg": save(rgb.convert("L"), "JPEG", quality=80),
        "rgb_not_ycc.jpg": save(rgb, "JPEG", quality=80, keep_rgb=True),
        "exif_rotated.jpg": save(rgb, "JPEG", quality=80, exif=exif),
        "one_pixel.jpg": save(rgb.crop((0, 0, 1, 1)), "JPEG"),
        "cmyk_adobe.jpg": plain_cmyk,
        "cmyk_plain.jpg": plain_cmyk[:adobe] + plain_cmyk[adobe + 2 + length :],
        # An Adobe marker with transform 2 turns the same four components into YCCK.
        "ycck.jpg": plain_cmyk[: adobe + 15] + b"\x02" + plain_cmyk[adobe + 16 :],
        "rgb.png": save(synthetic(13, 9), "PNG"),
        "rgba.png": save(rgba, "PNG"),
        "grey_alpha.png": save(rgba.convert("LA"), "PNG"),
        "grey.png": save(synthetic(13, 9).convert("L"), "PNG"),
        "palette.png": save(synthetic(13, 9).quantize(11), "PNG"),
        "interlaced.png": interlaced_png(synthetic(13, 9)),
        "grey_1bit.png": png(16, 9, 1, 0, bits),
        "grey_2bit.png": png(12, 7, 2, 0, nibbles),
        "grey_4bit.png": png(6, 7, 4, 0, nibbles),
        "palette_4bit.png": png(6, 7, 4, 3, nibbles, palette),
        "palette_transparent.png": png(6, 7, 4, 3, nibbles, palette + chunk(b"tRNS", bytes([0, 9]))),
        "grey_alpha_16bit.png": png(13, 9, 16, 4, la16),
        "rgb_16bit.png": png(13, 9, 16, 2, rgb16),
        "grey_16bit.png": png(13, 9, 16, 0, gray16),
        **webp_and_gif_files(rgba), **tiff_files(rgba), **bmp_files(), **pnm_files(),
    }


def write_files():
    for name, content in files().items():
        with open(os.path.join(HERE, name), "wb") as out:
            out.write(content)
        image = Image.open(io.BytesIO(content))
        expected = image.convert("RGB")
        if image.mode == "I;16":  # Pillow saturates these; dho takes the high byte
            high = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
            expected = Image.fromarray(np.stack([high] * 3, -1))
        with open(os.path.join(HERE, name.replace(".", "_") + ".rgb"),
                  "wb") as out:
            out.write(struct.pack("<II", *expected.size) + expected.tobytes())


def write_resample(rng):
    fixed = [(8, 8, 0, 0, 8, 8, 8, 8), (8, 8, 1, 2, 5, 5, 5, 9), (8, 8, 1, 2, 5, 5, 9, 5),
             (1, 1, 0, 0, 1, 1, 7, 5), (1, 90, 0, 0, 1, 90, 3, 4), (90, 1, 0, 0, 90, 1, 4, 3),
             (500, 375, 0, 0, 500, 375, 224, 224), (640, 480, 37, 21, 401, 333, 224, 224),
             (50, 40, 10, 10, 17, 23, 224, 224), (1200, 16, 0, 0, 1200, 16, 3, 3),
             (300, 200, 0, 0, 300, 200, 299, 201), (64, 64, 0, 0, 64, 64, 32, 16)]
    with open(os.path.join(HERE, "resample.txt"), "w") as out:
        for i in range(len(fixed) + 60):
            if i < len(fixed):
                w, h, x, y, bw, bh, ow, oh = fixed[i]
            else:
                w, h = rng.randint(1, 160), rng.randint(1, 160)
                bw, bh = rng.randint(1, w), rng.randint(1, h)
                x, y = rng.randint(0, w - bw), rng.randint(0, h - bh)
                ow, oh = rng.choice([bw, rng.randint(1, 200)]), rng.choice([bh, rng.randint(1, 200)])
            for name, value in FILTERS.items():
                # In two steps, as Pillow 13 does the vertical pass first where that is cheaper
                # (no earlier version does, nor dho: the order shows in the last bit).
                image = synthetic(w, h).crop((x, y, x + bw, y + bh))
                image = image.resize((ow, bh), value).resize((ow, oh), value)
                crc = zlib.crc32(image.tobytes())
                out.write(f"{w} {h}  {x} {y} {bw} {bh}  {ow} {oh}  {name} {crc:08x}\n")


def write_geometry(rng):
    with open(os.path.join(HERE, "geometry.txt"), "w") as out:
        for _ in range(200):
            w, h = rng.randint(1, 1200), rng.randint(1, 1200)
            if max(w, h) > 20 * min(w, h):
                continue
            short = rng.randint(1, 400)
            crop = rng.randint(1, short)
            new_h, new_w = F._compute_resized_output_size((h, w), [short])
            top, left = int(round((new_h - crop) / 2.0)), int(round((new_w - crop) / 2.0))
            out.write(f"{w} {h} {short} {crop}  {new_w} {new_h} {left} {top}\n")


def write_eval():
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    with open(os.path.join(HERE, "eval.txt"), "w") as out:
        for w, h, short, crop, name in [
                (500, 375, 256, 224, "bilinear"), (375, 500, 256, 224, "bicubic"),
                (333, 333, 224, 224, "bicubic"), (100, 75, 232, 224, "bicubic"),
                (256, 300, 256, 224, "bilinear"), (301, 256, 256, 223, "bicubic"),
                (1, 40, 32, 31, "bilinear")]:
            transform = transforms.Compose([
                transforms.Resize(short, interpolation=MODES[name]), transforms.CenterCrop(crop),
                transforms.ToTensor(), transforms.Normalize(mean, std)])
            nhwc = transform(synthetic(w, h)).permute(1, 2, 0).contiguous().numpy()
            out.write(f"{w} {h} {short} {crop} {name} {zlib.crc32(nhwc.tobytes()):08x}\n")


def main():
    os.makedirs(HERE, exist_ok=True)
    rng = random.Random(13)
    write_files()
    write_resample(rng)
    write_geometry(rng)
    write_eval()


main()
