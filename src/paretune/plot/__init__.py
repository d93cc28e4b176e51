"""Pictures: figures of matplotlib, never shown by themselves.

`plots.Plots` is what ``experiment.plot`` is; `fronts` draws what was measured and `insight` what the model
says; `style` is how all of them look, and `geometry` what they compute first.
"""
