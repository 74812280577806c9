kubectl label pod hello duo --overwrite team="$LAB_COLOR"
kubectl label pod teller team-
