package main

func runBroker() {}
func consume()   {}
