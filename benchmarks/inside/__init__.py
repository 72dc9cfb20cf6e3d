"""What estimates of one layer's geometry are worth: their bias on shapes of known answer."""
