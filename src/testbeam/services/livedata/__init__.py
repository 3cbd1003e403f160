"""Live data: histograms, images, counts and time series of a running measurement, job by job."""
