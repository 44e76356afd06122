"""What texts are worth beside experts' words and to a language model that judges, beside controls."""
