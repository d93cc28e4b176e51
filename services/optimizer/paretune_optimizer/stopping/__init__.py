"""Early stops on metric vectors: from learning curves to a verdict. `service.stop_feed` uses it."""
