"""Early stops on metric vectors: from learning curves to a verdict. `stop_feed` puts it into service."""
