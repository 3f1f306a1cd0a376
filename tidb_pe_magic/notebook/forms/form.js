// Can run several times for a form that is shown; whatever it does may be done twice.
// `this` is the form's style element.
const form = this.closest('.tidb-pe-form');
const button = event => event.target.closest('button');

// JupyterLab takes a letter that is pressed in a list, or Enter on a button, for one of the notebook's own
// shortcuts (`m` makes the cell a text, `x` cuts it), and ipywidgets has no attribute that says otherwise.
form?.addEventListener('focusin', event => {
  if (event.target.matches('select, button')) {
    event.target.setAttribute('data-lm-suppress-shortcuts', 'true');
  }
});

// A field sends what was typed when it loses the focus, and what comes of that can move a button away from
// under a mouse that presses it: no click would come. So the focus moves with the click, not with the press.
form?.addEventListener('mousedown', event => {
  if (button(event)) event.preventDefault();
});
form?.addEventListener('click', event => {
  const clicked = button(event);
  if (!clicked || clicked === document.activeElement) return;
  // A focus that a script gives is shown as one that the keyboard gives.
  clicked.classList.toggle('tidb-pe-by-mouse', event.detail > 0);
  clicked.addEventListener('blur', () => clicked.classList.remove('tidb-pe-by-mouse'), {once: true});
  clicked.focus({preventScroll: true});
}, true);

// Whoever double-clicks means one click: the second one would close what the first one opened, or reach a
// button that has moved under the mouse.
form?.addEventListener('click', event => {
  if (event.detail > 1 && button(event)) event.stopPropagation();
}, true);
