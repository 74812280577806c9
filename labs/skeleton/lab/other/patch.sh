kubectl patch pod greeter -p "{\"metadata\":{\"labels\":{\"color\":\"$LAB_COLOR\"}}}"
