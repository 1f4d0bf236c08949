package javax.annotation;

/** What the generated code is marked with; Java has it no more, and its package is not worth a download. */
public @interface Generated {
  String value();

  String comments();
}
