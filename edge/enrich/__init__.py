"""From a capture to its labels: client info, network, geolocation, bot verdict."""
