"""The mathematics of the decisions: arrays in, arrays out. No pandas, no session."""
