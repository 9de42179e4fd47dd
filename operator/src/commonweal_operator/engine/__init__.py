"""The level-triggered engine: queue, caches, apply, report, resync. It knows neither kopf nor what the kinds mean."""
