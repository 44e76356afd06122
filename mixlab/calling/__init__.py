"""Room calling: a server of chat completions asked at a bounded rate, each answer kept, nothing asked twice."""
