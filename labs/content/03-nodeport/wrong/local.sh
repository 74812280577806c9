kubectl patch service web -p '{"spec":{"type":"NodePort","externalTrafficPolicy":"Local"}}'
