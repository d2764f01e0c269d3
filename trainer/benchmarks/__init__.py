"""What launch.benchmark times: steps, curvature, sampling, evaluation, devices."""
