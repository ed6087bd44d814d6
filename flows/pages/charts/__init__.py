"""The charts of a report: one file a chart, each a function from aggregated numbers to a Vega-Lite specification."""
