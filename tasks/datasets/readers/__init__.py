"""Readers of data sets: one file a format.

To add a format, write `readers/<format>.py`, which defines `READER`: a `Reader` (see `reader.py`) that recognises the
format by the names of its files and returns their samples. Add the module's name as one line of `registry.py`, above
`image_folder`, which accepts any folder of images. Test it in `tests/unit/tasks/datasets/readers/test_<format>.py`
with a subclass of `ReaderContract` that writes an example; code that several formats share goes to `datasets/files/`.
"""
