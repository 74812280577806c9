kubectl label pod hello duo team="$LAB_COLOR"
kubectl label pod teller team-
