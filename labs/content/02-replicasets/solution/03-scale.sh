kubectl scale rs web --replicas="$LAB_COUNT"
