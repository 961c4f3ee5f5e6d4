"""What the doctor looks for. A check looks for one thing and changes nothing."""
