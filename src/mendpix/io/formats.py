"""Which extensions are pictures, and which of them can be written."""

FORMATS = {
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""The formats that can be written, by extension, as Pillow names them."""

SUFFIXES = frozenset({*FORMATS, ".gif", ".heic", ".heif", ".pgm", ".ppm"})
"""Extensions of the files in a folder that count as pictures."""

MASK_SUFFIXES = SUFFIXES | {".json", ".npy"}
"""Extensions of the files in a folder of masks that count as masks."""
