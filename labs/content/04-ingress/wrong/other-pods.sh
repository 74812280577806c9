kubectl patch service blog -p '{"spec":{"selector":{"app":"shop"}}}'
