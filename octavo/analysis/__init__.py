"""The second way, routing to report: recorder, store, statistics, figures, page. All but the recorder know no torch."""
