"""Which extensions are pictures, and which of them can be written."""

FORMATS = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".jp2": "JPEG2000",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pbm": "PPM",
    ".pfm": "PFM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".pnm": "PPM",
    ".ppm": "PPM",
    ".tga": "TGA",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""The formats that can be written, by extension, as Pillow names them."""

EXTENSIONS = {
    "AVIF": ".avif",
    "BMP": ".bmp",
    "JPEG": ".jpg",
    "JPEG2000": ".jp2",
    "PFM": ".pfm",
    "PPM": ".ppm",
    "TGA": ".tga",
    "TIFF": ".tif",
    "WEBP": ".webp",
}
"""Of a new file in the format of an old one whose extension is not to be had."""

DEEP_FORMATS = frozenset(("JPEG2000", "PNG", "PPM", "TIFF"))
"""Those with 16 bits."""

OPAQUE_FORMATS = frozenset(("BMP", "JPEG", "PFM", "PPM"))
"""Those without alpha."""

SUFFIXES = frozenset({*FORMATS, ".gif", ".heic", ".heif"})
"""Extensions of the files in a folder that count as pictures."""

MASK_SUFFIXES = SUFFIXES | {".json", ".npy"}
"""Extensions of the files in a folder of masks that count as masks."""
