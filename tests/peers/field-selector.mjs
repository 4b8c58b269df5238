// Field selectors of Kubernetes: "a=b,c!=d", all of which must hold.

// What a path of dotted names leads to.
const field = (object, path) => path.split('.').reduce((part, name) => part?.[name], object) ?? '';

export function selects(selector, object) {
  return selector
    .split(',')
    .filter((requirement) => requirement !== '')
    .every((requirement) => {
      const [, path, operator, value] = /^([^!=]*)(==?|!=|$)(.*)$/.exec(requirement);
      return (field(object, path) === value) === (operator !== '!=');
    });
}
