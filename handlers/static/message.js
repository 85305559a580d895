// A page that knows no shop to lead back to: the way back is the one the customer came.
const back = document.getElementById("go-back");
back.hidden = history.length < 2;
back.addEventListener("click", () => history.back());
