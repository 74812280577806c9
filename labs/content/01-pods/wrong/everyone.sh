kubectl label pod --all team="$LAB_COLOR" --overwrite
