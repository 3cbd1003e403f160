def align(device, half_width=1.0, points=3):
    """Scan around where a device is, and go back."""
    place = read(device)
    scan(device, place - half_width, 2 * half_width / (points - 1), points, t=0.1)
    maw(device, place)
