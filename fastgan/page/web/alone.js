// A page without a server: all its clips are in it.
showClips(JSON.parse(document.getElementById("data").textContent));
