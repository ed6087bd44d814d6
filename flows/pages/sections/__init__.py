"""The sections of a report: one file a section, each from the numbers of a run to words, tables and charts."""
