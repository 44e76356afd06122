"""Room serving: what both servers stand on: connections with deadlines and shares, proxies, and an end in order."""
