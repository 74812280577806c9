kubectl label pod greeter color="$LAB_COLOR" --overwrite
