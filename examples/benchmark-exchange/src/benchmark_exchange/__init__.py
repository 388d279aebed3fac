"""An exchange of benchmark results whose boards say honestly who is better than whom."""

from benchmark_exchange.resources import Resources, open_resources
from benchmark_exchange.settings import Settings

__all__ = ["Resources", "Settings", "open_resources"]
