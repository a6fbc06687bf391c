"""The deterministic fixed-tick simulation and the API that game authors write against."""
